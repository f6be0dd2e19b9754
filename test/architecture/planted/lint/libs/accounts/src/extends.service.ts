// expect: roundhouse/no-http-exception
import { HttpException } from '@nestjs/common';
export class Refused extends HttpException {}
