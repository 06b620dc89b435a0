// Listens on a free port of loopback, says where on the first line, and ends when standard input
// does: whoever started the server may be killed, and then nobody is left to end it.
export function serve(server) {
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    console.log(`http://127.0.0.1:${port}`)
  })
  process.stdin.resume().on('end', () => process.exit(0))
}
