import { actionOf } from '../tool-actions.js';
import { actionRoles } from './programs.js';

describe('what a command can show', () => {
  it.each([
    ['npm test', ['test']],
    ['npm run test:unit -- --ci', ['test']],
    ['cd web && pnpm lint', ['nothing', 'lint']],
    ['npm run check', ['test', 'lint', 'typecheck', 'build', 'format']],
    ['yarn install', ['install']],
    ['npx tsc --noEmit | tail -3', ['typecheck', 'view']],
    ['python -m pytest -q', ['test']],
    ['python manage.py migrate', ['migration']],
    ['python scripts/gen.py', ['opaque']],
    ['./gradlew build', ['test', 'build']],
    ['make', ['build', 'opaque']],
    ['cargo clippy', ['lint']],
    ['git status', ['git']],
    ['curl -s localhost', ['http']],
    ['frobnicate', ['opaque']],
  ])('%s', (command, roles) => {
    expect([...actionRoles(actionOf('Bash', { command }))]).toEqual(roles);
  });

  it.each([
    ['TodoWrite', ['view']],
    ['Task', ['opaque']],
    ['mcp__db__execute', ['opaque']],
    ['mcp__runner__run_tests', ['test']],
    ['read_file', ['view']],
  ])('the tool %s', (tool, roles) => expect([...actionRoles(actionOf(tool, {}))]).toEqual(roles));
});
