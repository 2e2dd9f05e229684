"""An MCP server: language models segment, measure and evaluate local files with Salus. Needs the extra `mcp`.

folders   the folders that the user named; nothing outside them is read or written
tools     what a model can call
server    the server, on standard input and output
"""
