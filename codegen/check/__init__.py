"""An independent judgement of plans: would the code made from one compute the graph, inside its memories?"""
