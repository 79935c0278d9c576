"""Integer IR to hardware: one file an operator, each bound to the template of the same name."""
