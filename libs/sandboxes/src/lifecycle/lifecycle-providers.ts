import type { Provider } from '@nestjs/common';
import { CheckoutBuilder } from './checkout-builder.js';
import { CodingLifecycleService } from './coding-lifecycle.service.js';
import { CodingSandboxesService } from './coding-sandboxes.service.js';
import { Hibernation } from './hibernation.js';
import { LifecycleRepository } from './lifecycle.repository.js';
import { LifeSteps } from './life-steps.js';
import { LifeTimes } from './life-times.js';
import { OwnDirectories } from './own-directories.js';
import { Provisioning } from './provisioning.js';
import { SandboxEnds } from './sandbox-ends.js';
import { SandboxLifecycle } from './sandbox-lifecycle.js';
import { SandboxPlaces } from './sandbox-places.js';
import { SandboxReconciler } from './sandbox-reconciler.js';
import { SandboxStopper } from './sandbox-stopper.js';
import { SandboxSnapshots } from '../snapshots/sandbox-snapshots.js';
import { SandboxUses } from './sandbox-uses.js';
import { WorkspaceSweeper } from './workspace-sweeper.js';

/** How sandboxes come to life, rest and end. */
export const LIFECYCLE_PROVIDERS: Provider[] = [
  CheckoutBuilder,
  CodingLifecycleService,
  CodingSandboxesService,
  Hibernation,
  LifecycleRepository,
  LifeSteps,
  LifeTimes,
  OwnDirectories,
  Provisioning,
  SandboxEnds,
  SandboxLifecycle,
  SandboxPlaces,
  SandboxReconciler,
  SandboxSnapshots,
  SandboxStopper,
  SandboxUses,
  WorkspaceSweeper,
];
