// Loaded before mppx (`NODE_OPTIONS=--import=…`): what it asks of Tempo's public nodes goes to the chain at
// FARTHING_CHAIN. Two things a public node does and ours does not: it gives money away, and it tries the calls
// of a batch, where ours takes a batch for the making of a contract. Here each call is tried on its own.
const { FARTHING_CHAIN: chain, FARTHING_FAUCET: faucet } = process.env
const nodes = ['rpc.tempo.xyz', 'rpc.moderato.tempo.xyz']
const token = '0x20c0000000000000000000000000000000000000'
const plain = globalThis.fetch

async function ask(method, params) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const headers = { 'content-type': 'application/json' }
  return (await plain(chain, { method: 'POST', headers, body })).json()
}

// A million dollars of the default token.
async function give([to]) {
  const data = `0xa9059cbb${to.slice(2).padStart(64, '0')}${(10n ** 12n).toString(16).padStart(64, '0')}`
  await ask('anvil_setBalance', [faucet, '0xffffffffffffffffffff'])
  const { result, error } = await ask('eth_sendTransaction', [{ from: faucet, to: token, data }])
  return { result: [result], error }
}

async function attempt([{ from, calls }, at]) {
  for (const { to, data } of calls) {
    const tried = await ask('eth_call', [{ from, to, data }, at])
    if (tried.error !== undefined) return tried
  }
  return { result: '0x' }
}

function answer({ method, params }) {
  if (method === 'tempo_fundAddress') return give(params)
  if (method === 'eth_call' && params[0].calls !== undefined) return attempt(params)
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
  const question = JSON.parse(body)
  const given = await answer(question)
  if (given !== undefined) {
    const { result, error } = given
    return Response.json({ jsonrpc: '2.0', id: question.id, ...(error ? { error } : { result }) })
  }
  const { signal } = request
  return plain(chain, { method: 'POST', headers: request.headers, body, signal })
}
