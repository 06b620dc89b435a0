// A server of mppx on the test network: each route is another kind of charge, of a cent or of nothing.
//   node --import=./divert.mjs tempo-shop.mjs PAYEE PARTNER SPONSOR-KEY
import { Mppx, tempo } from 'mppx/server'
import { privateKeyToAccount } from 'viem/accounts'
import { serve } from './serve.mjs'

const [recipient, partner, sponsor] = process.argv.slice(2)
const currency = '0x20c0000000000000000000000000000000000000'
const mppx = Mppx.create({
  methods: [tempo.charge({ testnet: true, currency, recipient })],
  secretKey: 'the secret of a test, longer than 32 bytes',
  realm: '127.0.0.1',
})
const charge = mppx['tempo/charge']
const splits = [
  { amount: '0.002', recipient: partner },
  { amount: '0.001', recipient: partner, memo: `0x${'5a'.repeat(32)}` },
]
const feePayer = privateKeyToAccount(sponsor)
serve({
  '/plain': charge({ amount: '0.01' }),
  '/pull': charge({ amount: '0.01', supportedModes: ['pull'] }),
  '/push': charge({ amount: '0.01', supportedModes: ['push'] }),
  '/split': charge({ amount: '0.01', splits }),
  '/sponsored': charge({ amount: '0.01', feePayer }),
  '/sponsored-split': charge({ amount: '0.01', feePayer, splits }),
  '/proof': charge({ amount: '0' }),
})
