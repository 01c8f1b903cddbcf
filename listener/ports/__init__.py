"""What the service needs of the world, as Protocols. Adapters implement them; fakes do too."""
