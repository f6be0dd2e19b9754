// expect: roundhouse/no-forward-ref
import { forwardRef } from '@nestjs/common';
export const late = forwardRef(() => Object);
