import { whatDoorsLack } from './door-folder.js';

describe('a machine without the program that leads to doors', () => {
  const missing = '/usr/bin/no-such-program';

  it('is told of it by what needs it, with what to do', async () => {
    expect(await whatDoorsLack({ SANDBOX_EGRESS_HOSTS: 'example.com' }, missing)).toMatch(
      /^SANDBOX_EGRESS_HOSTS: .*no-such-program.*apt-get install perl/,
    );
    expect(await whatDoorsLack({ SANDBOX_EGRESS_HOSTS: 'example.com', AGENT_COMMAND: 'agent' }, missing)).toMatch(
      /^SANDBOX_EGRESS_HOSTS, AGENT_COMMAND: /,
    );
  });

  it('lacks nothing that anybody has asked for', async () => {
    expect(await whatDoorsLack({}, missing)).toBeNull();
    expect(await whatDoorsLack({ AGENT_COMMAND: 'agent' }, '/bin/sh')).toBeNull();
  });
});
