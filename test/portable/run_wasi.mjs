// SPDX-License-Identifier: MIT
// run_wasi.mjs FILE.wasm [ARGUMENT]...: runs it, and exits with its status.
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';

const [major] = process.versions.node.split('.').map(Number);
const option = '--experimental-wasi-unstable-preview1';

// Before node 20 the module is there for those who ask for it.
if (major < 20 && !process.execArgv.includes(option)) {
  const again = spawnSync(
    process.execPath,
    [option, ...process.execArgv, ...process.argv.slice(1)],
    { stdio: 'inherit' },
  );
  process.exit(again.status ?? 1);
}

const { WASI } = await import('node:wasi');
const wasi = new WASI({
  version: 'preview1',
  args: process.argv.slice(2),
  returnOnExit: true,
});
const module = await WebAssembly.compile(await readFile(process.argv[2]));
const instance = await WebAssembly.instantiate(module, {
  wasi_snapshot_preview1: wasi.wasiImport,
});
process.exit(wasi.start(instance));
