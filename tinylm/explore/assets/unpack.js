// From the text that the page carries to the arrays of the weights, bit by bit the ones in the run folder.

// base64 → bytes
function fromBase64(text) {
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

// zlib's bytes → the bytes they were made of
async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// All first bytes, then all second ones, ... → the numbers. `size`: bytes of a number, 4 or 8.
function fromPlanes(planes, size) {
  const count = planes.length / size;
  const bytes = new Uint8Array(planes.length);
  for (let b = 0; b < size; b++) for (let i = 0; i < count; i++) bytes[i * size + b] = planes[b * count + i];
  // every machine that has a browser stores the lowest byte first, as the page does
  return size === 8 ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
}

// name → {shape, data}; all data are views of one array.
async function unpack(listed, text, dtype) {
  const numbers = fromPlanes(await inflate(fromBase64(text)), dtype === "float64" ? 8 : 4);
  const weights = {};
  let start = 0;
  for (const { name, shape } of listed) {
    const size = shape.reduce((a, b) => a * b, 1);
    weights[name] = { shape, data: numbers.subarray(start, start + size) };
    start += size;
  }
  return weights;
}
