// Talks to a server with @grpc/grpc-js as published; prints one JSON object with what it got.
// node node_client.js HOST:PORT PROTOS_FOLDER, NODE_PATH naming where the packages are.
'use strict';

const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [address, protos] = process.argv.slice(2);
const definition = loader.loadSync('inference/grpc_service.proto', {
  includeDirs: [protos],
  keepCase: true,
  longs: Number,
  defaults: true,
});
const { GRPCInferenceService } = grpc.loadPackageDefinition(definition).inference;
const open = (options) => new GRPCInferenceService(address, grpc.credentials.createInsecure(), {
  'grpc.max_receive_message_length': -1,
  ...options,
});
const client = open();

function floats(values) {
  const buffer = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => buffer.writeFloatLE(value, 4 * i));
  return buffer;
}

function request(values, more) {
  return {
    model_name: 'affine',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [values.length / 4, 4] }],
    raw_input_contents: [floats(values)],
    ...more,
  };
}

function read(response) {
  const raw = response.raw_output_contents[0];
  const values = [];
  for (let i = 0; i < raw.length; i += 4) values.push(raw.readFloatLE(i));
  return { id: response.id, version: response.model_version, shape: response.outputs[0].shape, values };
}

function unary(method, message, { metadata = new grpc.Metadata(), options = {}, from = client } = {}) {
  return new Promise((resolve) => {
    const deadline = Date.now() + 30000;
    from[method](message, metadata, { deadline, ...options }, (error, response) => {
      if (!error) return resolve(response);
      const id = error.metadata && error.metadata.get('x-request-id')[0];
      return resolve({ code: grpc.status[error.code], details: error.details, request_id: id });
    });
  });
}

function stream(messages) {
  return new Promise((resolve, reject) => {
    const answers = [];
    const call = client.ModelStreamInfer({ deadline: Date.now() + 30000 });
    call.on('data', (answer) => answers.push(answer.error_message || answer.infer_response.id));
    call.on('error', reject);
    call.on('end', () => resolve(answers));
    messages.forEach((message) => call.write(message));
    call.end();
  });
}

function cancelled() {
  return new Promise((resolve) => {
    const call = client.ModelInfer(request([0, 0, 0, 0]), (error) => resolve(error ? grpc.status[error.code] : 'OK'));
    call.cancel();
  });
}

async function main() {
  const named = new grpc.Metadata();
  named.set('x-request-id', 'from-node');
  const large = new Array(2 * 1024 * 1024).fill(0);
  const compressing = open({ 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip });
  const many = await Promise.all(
    Array.from({ length: 300 }, (_, n) => unary('ModelInfer', request([n, n, n, n], { id: `${n}` })).then(read)),
  );
  const typed = {
    model_name: 'affine',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], contents: { fp32_contents: [1, 2, 3, 4] } }],
  };
  const late = { options: { deadline: Date.now() - 1000 } };
  const result = {
    live: (await unary('ServerLive', {})).live,
    metadata: (await unary('ModelMetadata', { name: 'affine' })).inputs,
    raw: read(await unary('ModelInfer', request([1, 2, 3, 4, 0, 0, 0, 0], { id: 'größe' }))),
    typed: read(await unary('ModelInfer', typed)),
    compressed: read(await unary('ModelInfer', request([1, 2, 3, 4]), { from: compressing })),
    large: read(await unary('ModelInfer', request(large))).shape,
    many: many.every((answer, n) => answer.id === `${n}` && answer.values[0] === 10 * n + 1),
    unknown: await unary('ModelInfer', request([], { model_name: 'größe "1"' }), { metadata: named }),
    wrong: await unary('ModelInfer', request([1, 2, 3, 4], { raw_input_contents: [floats([1])] })),
    refused: await unary('ModelInfer', request([0, 0, 0, 0], { parameters: { priority: { int64_param: 7 } } })),
    late: (await unary('ModelInfer', request([0, 0, 0, 0]), late)).code,
    cancelled: await cancelled(),
    stream: await stream([
      request([0, 0, 0, 0], { id: 'a' }),
      request([0, 0, 0, 0], { model_name: 'nothing' }),
      request([0, 0, 0, 0], { id: 'b' }),
    ]),
    after: read(await unary('ModelInfer', request([1, 1, 1, 1]))).values,
  };
  console.log(JSON.stringify(result));
  client.close();
  compressing.close();
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
