"""The commands of `tvm-pulp`: a module a command, each exporting a `click.Command` named `command`."""
