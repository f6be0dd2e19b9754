import { InjectRepository } from '@nestjs/typeorm';
import type { EntityManager } from 'typeorm';
export const decorator = InjectRepository;
export const save = (manager: EntityManager, row: object) => manager.save(row);
