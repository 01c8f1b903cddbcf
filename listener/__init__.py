"""cv-listener: submits CV updates, hears ``cv_updated``, and says which jobs were dispatched."""
