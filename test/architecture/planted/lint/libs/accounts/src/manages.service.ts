// expect: roundhouse/no-entity-manager
import type { EntityManager } from 'typeorm';
export const save = (manager: EntityManager, row: object) => manager.save(row);
