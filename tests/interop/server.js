// The official Socket.IO server, and behind it an upstream that keeps the CV service's contract.
//
//   node server.js '{"recovery_ms": 120000}'      options as JSON, see OPTIONS
//
// Prints one line, {"port": N}, when it listens on 127.0.0.1, and ends when its stdin does.
//
//   GET  /cv-enhance/{code}           the record
//   POST /cv-enhance/{code}/edits     multipart, one file in field "cv"; emits after emit_delay_ms
//   GET  /_ledger                     per code: posts, applied, emitted
//   GET  /_emissions                  [code, milliseconds] of every event, in order of emission
//   GET  /_status                     connections, acknowledgements, the auth last seen
//   POST /_control/{name}             see CONTROLS; a JSON body, a JSON answer
//
// A client whose query has an "audience" is in that one, and hears what is emitted to it alone.
'use strict';

const http = require('node:http');
const { Adapter } = require('socket.io-adapter');
const { Server } = require('socket.io');

const OPTIONS = {
  port: 0,
  path: '/socket.io',
  namespace: '/',
  event: 'cv_updated',
  transports: ['websocket', 'polling'],
  recovery_ms: 0, // 0: connection state recovery is off
  keeps_sessions: true, // false: its adapter does not, as one for several instances may
  ping_interval_ms: 25000,
  ping_timeout_ms: 20000,
  token: null, // auth.token must be this, or the namespace refuses
  header: null, // the Authorization header must be this, or the handshake gets 401
  join: null, // an event by which a client joins; without it, it hears nothing
  join_answer: { ok: true }, // null: it is never acknowledged
  kick_on_connect: 0, // so many clients are disconnected in the moment of their connection
  auto_create: true, // a code never seen has a record
  compress_polls: true, // of some length
  emit_delay_ms: 5,
};
const options = { ...OPTIONS, ...JSON.parse(process.argv[2] || '{}') };
for (const name of Object.keys(options)) {
  if (!(name in OPTIONS)) throw new Error(`expected an option that there is, found ${name}`);
}

const records = new Map();
const ledger = new Map();
const emissions = [];
const status = { connections: 0, recovered: 0, joins: 0, acks: [], auth: null };
let web = null;
let io = null;

// ------------------------------------------------------------------------------------ the socket

function start(port) {
  web = http.createServer(answer);
  io = new Server(web, {
    path: options.path,
    serveClient: false,
    transports: options.transports,
    pingInterval: options.ping_interval_ms,
    pingTimeout: options.ping_timeout_ms,
    maxHttpBufferSize: 1e8,
    ...(!options.compress_polls && { httpCompression: false }),
    allowRequest: (request, decide) => {
      const ok = options.header === null || request.headers.authorization === options.header;
      decide(ok ? null : 'not authorized', ok);
    },
    ...(options.recovery_ms && {
      connectionStateRecovery: { maxDisconnectionDuration: options.recovery_ms },
    }),
    ...(!options.keeps_sessions && { adapter: Adapter }),
  });
  const namespace = io.of(options.namespace);
  namespace.use((socket, next) => {
    status.auth = socket.handshake.auth;
    const ok = options.token === null || socket.handshake.auth.token === options.token;
    next(ok ? undefined : new Error('not authorized'));
  });
  namespace.on('connection', welcome);
  web.listen(port, '127.0.0.1', () => {
    process.stdout.write(`${JSON.stringify({ port: web.address().port })}\n`);
  });
}

function welcome(socket) {
  status.connections += 1;
  if (socket.recovered) status.recovered += 1;
  if (options.kick_on_connect > 0) {
    options.kick_on_connect -= 1;
    socket.disconnect();
    return;
  }
  const room = socket.handshake.query.audience || 'audience';
  if (options.join === null) socket.join(room);
  else {
    socket.on(options.join, (...args) => {
      status.joins += 1;
      socket.join(room);
      const acknowledge = args.pop();
      if (options.join_answer !== null && typeof acknowledge === 'function') {
        acknowledge(options.join_answer);
      }
    });
  }
}

const audience = (to) => io.of(options.namespace).to(to);
const sockets = () => [...io.of(options.namespace).sockets.values()];

function emit(body, how = 'broadcast', event = options.event, to = 'audience') {
  emissions.push([(body && body.cv_code) ?? null, Date.now()]);
  if (how === 'broadcast') audience(to).emit(event, body);
  else if (how === 'volatile') audience(to).volatile.emit(event, body);
  else if (how === 'binary') audience(to).emit(event, body, Buffer.from([1, 2, 3]));
  else if (how === 'bare') audience(to).emit(event);
  else if (how === 'ack') {
    for (const socket of sockets()) {
      socket.emit(event, body, () => status.acks.push(body && body.cv_code));
    }
  } else throw new Error(`expected a way to emit that there is, found ${how}`);
}

// -------------------------------------------------------------------------------- the CV service

function entry(code) {
  if (!ledger.has(code)) ledger.set(code, { posts: 0, applied: 0, emitted: 0 });
  return ledger.get(code);
}

function record(code) {
  if (!records.has(code) && options.auto_create) {
    records.set(code, {
      cv_code: code,
      cv_id: 456 + records.size,
      application_id: null,
      cv_path: 'cvs/0.pdf',
      cv_data: { name: 'A. Candidate' },
      status: 'draft',
      cv_enhance_status: 'pending',
    });
  }
  return records.get(code);
}

/** The content of the one file in field "cv", or null. */
function file(type, body) {
  const boundary = /boundary="?([^";]+)"?/.exec(type || '');
  if (!boundary) return null;
  const text = body.toString('latin1');
  for (const part of text.split(`--${boundary[1]}`).slice(1, -1)) {
    const end = part.indexOf('\r\n\r\n');
    if (end > 0 && /name="?cv"?[;\r]/i.test(part.slice(0, end + 1))) {
      return Buffer.from(part.slice(end + 4, -2), 'latin1');
    }
  }
  return null;
}

function update(code, request, body) {
  const found = record(code);
  const entered = entry(code);
  entered.posts += 1;
  if (!found) return [404, { status: 'error', message: 'CV not found' }];
  const content = file(request.headers['content-type'], body);
  if (!content || content.length === 0) {
    return [422, { status: 'error', message: 'The cv field is required' }];
  }
  entered.applied += 1;
  const reply = {
    cv_code: code,
    cv_id: found.cv_id,
    application_id: found.application_id,
    status: found.status,
    cv_updated: true,
    message: 'CV updated and enhancement started',
  };
  Object.assign(found, {
    cv_path: `cvs/${entered.applied}-${content.length}.pdf`,
    status: 'processing',
    cv_enhance_status: 'processing',
  });
  setTimeout(() => {
    const { cv_id, application_id, status: now, cv_enhance_status } = found;
    entered.emitted += 1;
    emit({ cv_code: code, cv_id, application_id, status: now, cv_enhance_status, cv_updated: true });
  }, options.emit_delay_ms);
  return [200, { status: 'success', data: reply }];
}

// ------------------------------------------------------------------------------------------ HTTP

const CONTROLS = {
  /** {bodies, how, event, to}: one event for each body. */
  emit: ({ bodies, how, event, to }) => bodies.forEach((body) => emit(body, how, event, to)),
  /** {count, prefix}: events with the codes prefix-0, prefix-1, …, as fast as they go. */
  burst: ({ count, prefix = 'code' }) => {
    let next = 0;
    const some = () => {
      const end = Math.min(count, next + 500);
      for (; next < end; next += 1) emit({ cv_code: `${prefix}-${next}`, cv_id: next });
      if (next < count) setImmediate(some);
    };
    some();
  },
  /** {count, per_s, prefix}: as a burst, but so many a second; answered after the last. */
  flood: ({ count, per_s, prefix = 'code' }) =>
    new Promise((resolve) => {
      const began = Date.now();
      let next = 0;
      const timer = setInterval(() => {
        const end = Math.min(count, Math.ceil(((Date.now() - began) / 1000) * per_s));
        for (; next < end; next += 1) emit({ cv_code: `${prefix}-${next}`, cv_id: next });
        if (next === count) {
          clearInterval(timer);
          resolve();
        }
      }, 5);
    }),
  /** {frames}: text frames, written to every websocket as they are. */
  raw: ({ frames }) => {
    for (const socket of sockets()) frames.forEach((f) => socket.conn.transport.socket.send(f));
  },
  /** {close}: a Socket.IO DISCONNECT; with close, of the transport too. */
  kick: ({ close = false }) => io.of(options.namespace).disconnectSockets(close),
  /** Those who are connected stay so, and hear nothing more; who comes later does. */
  deafen: () => audience('audience').socketsLeave('audience'),
  /** Every websocket is cut, with no word. A session can be recovered after that. */
  drop: () => {
    for (const socket of sockets()) {
      const transport = socket.conn.transport;
      if (transport.name === 'websocket') transport.socket.terminate();
      else socket.conn.close();
    }
  },
  /** {down_ms, politely}: the server goes away, and comes back on its port with the sessions
   *  forgotten. Politely, it says so to each connection, and waits until it is closed. */
  restart: ({ down_ms = 0, politely = false }) => {
    const { port } = web.address();
    setImmediate(() => {
      web.once('close', () => setTimeout(start, down_ms, port));
      io.close();
      if (politely) setTimeout(() => web.closeIdleConnections(), 50);
      else web.closeAllConnections();
    });
  },
  /** Options, as on the command line. */
  set: (changes) => Object.assign(options, changes),
};

function send(response, code, body) {
  const text = JSON.stringify(body);
  response.writeHead(code, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

async function route(request, url, body) {
  const [, head, tail, last] = url.pathname.split('/');
  const call = `${request.method} ${head}`;
  if (call === 'GET _ledger') return [200, Object.fromEntries(ledger)];
  if (call === 'GET _emissions') return [200, emissions];
  if (call === 'GET _status') {
    const room = io.of(options.namespace).adapter.rooms.get('audience');
    const connected = { engine: io.engine.clientsCount, clients: sockets().length };
    return [200, { ...status, ...connected, audience: room ? room.size : 0 }];
  }
  if (call === 'POST _control' && tail in CONTROLS) {
    await CONTROLS[tail](body.length ? JSON.parse(body) : {});
    return [200, {}];
  }
  if (head === 'cv-enhance' && tail) {
    const code = decodeURIComponent(tail);
    if (request.method === 'POST' && last === 'edits') return update(code, request, body);
    const found = request.method === 'GET' && last === undefined && record(code);
    if (found) return [200, { status: 'success', data: found }];
  }
  return [404, { status: 'error', message: 'Not found' }];
}

function answer(request, response) {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    try {
      const url = new URL(request.url, 'http://127.0.0.1');
      send(response, ...(await route(request, url, Buffer.concat(chunks))));
    } catch (error) {
      send(response, 400, { status: 'error', message: error.message });
    }
  });
}

process.stdin.on('end', () => process.exit(0)).resume();
start(options.port);
