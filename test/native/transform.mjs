import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { compiledFile } from './compiled.mjs';

const require = createRequire(import.meta.url);

/**
 * A Jest transformer: in place of a module's text, text that hands out the exports of the module as Node itself loads
 * it, outside of Jest. Node does so once per worker process, where Jest would load the whole application and its
 * packages anew for every spec file. The price: what a module remembers, it remembers over spec files.
 */
function process(source, path, { supportsStaticESM, supportsDynamicImport }) {
  if (!supportsDynamicImport) return { code: source };
  const load = `requireNatively(${JSON.stringify(compiledFile(path))})`;
  if (!supportsStaticESM) return { code: `module.exports = ${load};` };
  const exported = exportsOf(path).map((name, index) => {
    const member = JSON.stringify(name);
    return `const x${index} = loaded[${member}];\nexport { x${index} as ${member} };`;
  });
  return { code: [`const loaded = ${load};`, ...exported].join('\n') };
}

function exportsOf(path) {
  return Object.keys(require(compiledFile(path)));
}

/** The exports belong to the key: they are those of the compiled file, which may change when the source does not. */
function getCacheKey(source, path, { supportsStaticESM, supportsDynamicImport }) {
  const parts = supportsDynamicImport ? ['natively', ...(supportsStaticESM ? exportsOf(path) : [])] : [source];
  return createHash('sha1')
    .update([import.meta.url, path, ...parts].join('\0'))
    .digest('hex');
}

// Jest's hook for its own set-up files does not support dynamic imports, and needs no change.
export default { process, getCacheKey };
