"""``gatesmith quantize``: from a float network and data to a network that the compiler takes.

settings    what the user asks
recipe      a scheme for each site of the network
accuracy    top-1 of the float network and of the integers
run         all steps, in order
result      what the command prints and the report shows
"""
