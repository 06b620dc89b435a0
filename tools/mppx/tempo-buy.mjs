// Pays one URL on the test network, and says in JSON what it sent and got.
//   node --import=./divert.mjs tempo-buy.mjs URL KEY [pull|push]
import { Credential, Receipt } from 'mppx'
import { Mppx, tempo } from 'mppx/client'
import { privateKeyToAccount } from 'viem/accounts'

const [url, key, mode] = process.argv.slice(2)
const charge = tempo.charge({ account: privateKeyToAccount(key), ...(mode && { mode }) })
let sent
const mppx = Mppx.create({
  methods: [charge],
  polyfill: false,
  fetch(input, init) {
    const { authorization } = Object.fromEntries(new Headers(init?.headers))
    if (authorization !== undefined) sent = Credential.deserialize(authorization)
    return fetch(input, init)
  },
})
const paid = await mppx.fetch(url)
const receipt = paid.headers.has('payment-receipt') ? Receipt.fromResponse(paid) : null
console.log(JSON.stringify({ sent, status: paid.status, body: await paid.text(), receipt }))
