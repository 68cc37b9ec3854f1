#include "kernel/sched/file.h"

#include <errno.h>

#include "kernel/sched/event.h"
#include "kernel/sched/sched_host.h"
#include "kernel/sim/fault.h"

namespace sockbed {

int falloc_file(file** fp) {
  SchedHost& sched = Sched();
  if (sched.nfiles >= sched.maxfiles || fault::Fires(Site::kFileLimit, Here().pid)) return ENFILE;
  file* const f = sched.file_memory.Make();
  f->f_count = 1;
  f->f_id = ++sched.last_file_id;
  if (const proc* p = curproc()) f->f_cred = p->p_ucred;
  f->f_prev = sched.files_last;
  (sched.files_last != nullptr ? sched.files_last->f_next : sched.files_first) = f;
  sched.files_last = f;
  ++sched.nfiles;
  *fp = f;
  return 0;
}

int FRELE(file* fp) {
  KASSERT(fp->f_count > 0);
  KASSERT(fp->f_msgcount >= 0 && fp->f_msgcount <= fp->f_count);
  if (--fp->f_count > 0) return 0;
  KASSERT(fp->f_msgcount == 0);
  knote_fileclose(fp);
  const int error = fp->f_ops != nullptr ? fp->f_ops->fo_close(fp) : 0;
  KASSERT(fp->f_count == 0);
  SchedHost& sched = Sched();
  (fp->f_prev != nullptr ? fp->f_prev->f_next : sched.files_first) = fp->f_next;
  (fp->f_next != nullptr ? fp->f_next->f_prev : sched.files_last) = fp->f_prev;
  --sched.nfiles;
  sched.file_memory.Free(fp);
  return error;
}

file* file_first() { return Sched().files_first; }

}  // namespace sockbed
