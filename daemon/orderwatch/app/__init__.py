"""The composition root: what is opened, in which order, and who works until when."""
