import config from '../../../../eslint.config.mjs';

/** The real rules over this tree: paths are relative to here, types come from the tsconfig beside this file. */
export default [
  ...config,
  { files: ['**/*.ts'], languageOptions: { parserOptions: { tsconfigRootDir: import.meta.dirname } } },
];
