/**
 * Every command but `start`.
 */
import type { Command } from 'commander';
import { addCalibrateCommand } from './calibration/calibrate.ts';
import { addBackupCommand } from './data/backup.ts';
import { addDatabaseCommand } from './data/database.ts';
import { addRebuildCommand } from './data/rebuild.ts';
import { addRestoreCommand } from './data/restore.ts';
import { addVerifyCommand } from './data/verify.ts';
import { addDoctorCommand } from './doctor.ts';
import { addDrillCommand } from './drill.ts';
import { addGroupsCommands } from './groups.ts';
import { addJobsCommands } from './jobs.ts';
import { addPlanCommand } from './plan.ts';
import { addPsCommand } from './ps.ts';

export function addCommands(program: Command): void {
  addJobsCommands(program);
  addGroupsCommands(program);
  addVerifyCommand(program);
  addRebuildCommand(program);
  addDoctorCommand(program);
  addDatabaseCommand(program);
  addCalibrateCommand(program);
  addPlanCommand(program);
  addPsCommand(program);
  addDrillCommand(program);
  addBackupCommand(program);
  addRestoreCommand(program);
}
