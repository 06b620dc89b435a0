// Compiles what standard input asks for, in the compiler's JSON form, and prints what it gives. The
// compiler's own command line ends before a pipe has taken more than 64 KiB.
import { readFileSync } from 'node:fs'
import solc from 'solc'

process.stdout.write(solc.compile(readFileSync(0, 'utf8')))
