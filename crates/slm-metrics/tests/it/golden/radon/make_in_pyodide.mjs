// Writes `pep701.jsonl` with CPython 3.13 if none is installed: Pyodide 0.29.4 is 3.13.2 in WebAssembly.
//
//   npm install pyodide@0.29.4
//   pip install --target radon radon==6.0.1
//   node make_in_pyodide.mjs radon

import path from "node:path";
import { loadPyodide } from "pyodide";

const python = await loadPyodide();
const mount = (folder, target) => {
  python.FS.mkdirTree(target);
  python.FS.mount(python.FS.filesystems.NODEFS, { root: path.resolve(folder) }, target);
};
mount(process.argv[2], "/packages");
mount(import.meta.dirname, "/goldens");
python.runPython(`
import sys
sys.dont_write_bytecode = True
sys.path += ["/packages", "/goldens"]
import make
with open("/goldens/pep701.jsonl", "w", encoding="utf-8") as output:
    output.writelines(line + "\\n" for line in make.lines())
`);
