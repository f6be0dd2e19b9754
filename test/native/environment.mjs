import { createRequire, enableCompileCache } from 'node:module';
import { TestEnvironment } from 'jest-environment-node';

enableCompileCache();

/** Jest's Node environment, with what the modules of transform.mjs need. */
export default class NativeEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    this.global.requireNatively = createRequire(import.meta.url);
    // reflect-metadata extends the one of the process; decorators in a spec look for it here.
    this.global.Reflect = Reflect;
  }
}
