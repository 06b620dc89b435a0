// A server of priced routes: says where it listens, and ends when standard input does. `plain` are the routes
// without a price, each a function that answers.
import { createServer } from 'node:http'
import { NodeListener, Request } from 'mppx/server'

export function serve(priced, plain = {}) {
  async function answer(request) {
    const { pathname } = new URL(request.url)
    if (plain[pathname] !== undefined) return plain[pathname]()
    const route = priced[pathname]
    if (route === undefined) return new Response(null, { status: 404 })
    const paid = await route(request)
    return paid.status === 402 ? paid.challenge : paid.withReceipt(new Response('bought'))
  }
  const server = createServer(async (req, res) => {
    await NodeListener.sendResponse(res, await answer(Request.fromNodeListener(req, res)))
  })
  server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
  process.stdin.resume().on('end', () => process.exit(0))
}
