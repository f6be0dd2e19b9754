// expect: roundhouse/no-inject-repository
import { InjectRepository } from '@nestjs/typeorm';
export const decorator = InjectRepository;
