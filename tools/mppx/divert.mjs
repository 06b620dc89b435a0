// Loaded before mppx (`NODE_OPTIONS=--import=…`): what it asks of Tempo's public nodes goes to the chain at
// FARTHING_CHAIN. The one thing a public node does that ours does not is to give money away.
const { FARTHING_CHAIN: chain, FARTHING_FAUCET: faucet } = process.env
const nodes = ['rpc.tempo.xyz', 'rpc.moderato.tempo.xyz']
const token = '0x20c0000000000000000000000000000000000000'
const plain = globalThis.fetch

async function ask(method, params) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const headers = { 'content-type': 'application/json' }
  const { result, error } = await (await plain(chain, { method: 'POST', headers, body })).json()
  if (error !== undefined) throw new Error(`${method}: ${error.message}`)
  return result
}

// A million dollars of the default token.
async function give(to) {
  const data = `0xa9059cbb${to.slice(2).padStart(64, '0')}${(10n ** 12n).toString(16).padStart(64, '0')}`
  await ask('anvil_setBalance', [faucet, '0xffffffffffffffffffff'])
  return [await ask('eth_sendTransaction', [{ from: faucet, to: token, data }])]
}

async function answer(question) {
  const { id, method, params } = question
  if (method === 'tempo_fundAddress') return { jsonrpc: '2.0', id, result: await give(params[0]) }
  return undefined
}

globalThis.fetch = async (input, init) => {
  const request = new Request(input, init)
  const { hostname } = new URL(request.url)
  if (!nodes.includes(hostname)) {
    if (hostname !== '127.0.0.1') throw new Error(`nobody is at ${hostname} but in the real world`)
    return plain(request)
  }
  const body = await request.text()
  const given = await answer(JSON.parse(body))
  if (given !== undefined) return Response.json(given)
  const { signal } = request
  return plain(chain, { method: 'POST', headers: request.headers, body, signal })
}
