/**
 * Every command but `start`, each loaded when it is needed: a command reads what its work needs and no more.
 */
import type { Command } from 'commander';

type Add = (program: Command) => void;

/** By the first word of the command line, in the order of the help. */
const COMMANDS: Readonly<Record<string, () => Promise<Add>>> = {
  jobs: async () => (await import('./jobs.ts')).addJobsCommands,
  groups: async () => (await import('./groups.ts')).addGroupsCommands,
  verify: async () => (await import('./data/verify.ts')).addVerifyCommand,
  rebuild: async () => (await import('./data/rebuild.ts')).addRebuildCommand,
  doctor: async () => (await import('./doctor.ts')).addDoctorCommand,
  database: async () => (await import('./data/database.ts')).addDatabaseCommand,
  calibrate: async () => (await import('./calibration/calibrate.ts')).addCalibrateCommand,
  plan: async () => (await import('./plan.ts')).addPlanCommand,
  ps: async () => (await import('./ps.ts')).addPsCommand,
  drill: async () => (await import('./drill.ts')).addDrillCommand,
  backup: async () => (await import('./data/backup.ts')).addBackupCommand,
  restore: async () => (await import('./data/restore.ts')).addRestoreCommand,
};

/** @param word the first of the command line; where it is no command, all are added, to be listed */
export async function addCommands(program: Command, word?: string): Promise<void> {
  const named = word !== undefined && Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined;
  const loaded = await Promise.all((named ? [named] : Object.values(COMMANDS)).map((load) => load()));
  for (const add of loaded) add(program);
}
