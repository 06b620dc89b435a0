// A JSON API over the object given as the first argument: `{"posts": [{"id": 1}]}` answers
// GET /posts, GET /posts/1, POST /posts, PUT, PATCH and DELETE /posts/1.
import { createServer } from 'node:http'
import jsonServer from 'json-server'
import { serve } from './until-closed.mjs'

const app = jsonServer.create()
app.use(jsonServer.defaults({ logger: false }))
app.use(jsonServer.bodyParser)
app.use(jsonServer.router(JSON.parse(process.argv[2])))
serve(createServer(app))
