"""What a log tells: read once, in bounded memory, into accounts; shown in a terminal or as a page.

``reading`` makes lines of files, and ``account`` gives each to whoever takes its event. Whoever
else wants to reckon with the same pass is an ``account.Taker`` beside the report's own.
"""
