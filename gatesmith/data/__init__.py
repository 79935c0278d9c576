"""Data sets for quantizing and training, from files, folders of images and Python."""
