// expect: roundhouse/no-request-scope
import { Scope } from '@nestjs/common';
export const scope = Scope.REQUEST;
