import { isCurrent } from './test/native/compiled.mjs';

const base = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^#([a-z]+)$': '<rootDir>/libs/$1/src/index.ts', '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2023',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        },
        module: { type: 'es6' },
      },
    ],
  },
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '/data/', '/planted/'],
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/data'],
};

// What needs the whole application takes it as it was built, loaded by Node: see test/native/transform.mjs.
const NATIVELY = '<rootDir>/test/native/transform.mjs';
const whole = isCurrent()
  ? {
      ...base,
      testEnvironment: '<rootDir>/test/native/environment.mjs',
      transform: {
        '/(libs|apps)/(?!.*(/testing/|spec\\.ts$)).*\\.ts$': NATIVELY,
        // oidc-provider takes only settings made in its own realm.
        '/node_modules/(?!oidc-provider/)': NATIVELY,
        ...base.transform,
      },
      transformIgnorePatterns: [],
    }
  : base;
if (whole === base)
  console.warn('dist/ is older than the sources: specs load these. `npx nest build` makes it faster.');

export default {
  testTimeout: 60_000,
  testSequencer: '<rootDir>/test/support/slow-first.mjs',
  // Jest keeps what each file loaded: a worker of gigabytes spends its time collecting.
  workerIdleMemoryLimit: '1GB',
  projects: [
    { ...base, displayName: 'unit', testMatch: ['<rootDir>/{libs,apps}/**/*.spec.ts'] },
    {
      ...base,
      displayName: 'integration',
      testMatch: ['<rootDir>/{libs,apps}/**/*.int-spec.ts'],
      globalSetup: '<rootDir>/test/support/global-setup.mjs',
      globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
    },
    {
      ...whole,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/e2e/**/*.e2e-spec.ts'],
      globalSetup: '<rootDir>/test/support/global-setup.mjs',
      globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
    },
    { ...base, displayName: 'architecture', testMatch: ['<rootDir>/test/architecture/**/*.spec.ts'] },
  ],
};
