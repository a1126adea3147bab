"""Layer graph, planner, cost models and C emitter. Only `relay_reader` may import TVM."""
