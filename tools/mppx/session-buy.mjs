// Pays out of channels on the test network, and says in JSON what it got.
//   node --import=./divert.mjs session-buy.mjs KEY MAX-DEPOSIT STEP…
// A step is `get URL`, `stream URL`, `socket URL`, `topup AMOUNT` or `close`.
import { WebSocket } from 'isows'
import { tempo } from 'mppx/client'
import { privateKeyToAccount } from 'viem/accounts'

const [key, maxDeposit, ...steps] = process.argv.slice(2)
const sent = []
const session = tempo.session.manager({
  account: privateKeyToAccount(key),
  maxDeposit,
  webSocket: WebSocket,
  async fetch(input, init) {
    const answer = await fetch(input, init)
    const { authorization } = Object.fromEntries(new Headers(init?.headers))
    const method = init?.method ?? (input instanceof Request ? input.method : 'GET')
    sent.push({ method, paid: authorization !== undefined, status: answer.status })
    return answer
  },
})

async function get(url) {
  const answer = await session.fetch(url)
  return { status: answer.status, body: await answer.text(), receipt: answer.receipt }
}

async function stream(url) {
  const words = []
  const receipts = []
  const onReceipt = (receipt) => receipts.push(receipt)
  for await (const word of await session.sse(url, { onReceipt })) words.push(word)
  return { words, receipts }
}

// It tells of the end before it closes.
async function socket(url) {
  const words = []
  const receipts = []
  const onReceipt = (receipt) => receipts.push(receipt)
  const open = await session.ws(url, { onReceipt })
  open.addEventListener('message', ({ data }) => words.push(data))
  await new Promise((end) => open.addEventListener('close', end, { once: true }))
  // It leaves the connection open, for a close of the channel on it; here that is asked for over HTTP.
  open.close()
  return { words, receipts }
}

const said = []
for (let at = 0; at < steps.length; at++) {
  const step = steps[at]
  if (step === 'get') said.push(await get(steps[++at]))
  else if (step === 'stream') said.push(await stream(steps[++at]))
  else if (step === 'socket') said.push(await socket(steps[++at]))
  else if (step === 'topup') said.push({ receipt: await session.topUp(steps[++at]) })
  else if (step === 'close') said.push({ receipt: await session.close() })
  else throw new Error(`no such step: ${step}`)
}
const { channelId, cumulative } = session
console.log(JSON.stringify({ said, sent, channelId, cumulative: String(cumulative) }))
