//! Threads that run kernels, one for each unit of a cube.
//!
//! # Design
//!
//! Launches are queued and run one after the other: a worker that is done with its unit of a launch goes on with the next launch as soon
//! as all units before it are done. All units of a launch run at the same time, since they may wait for each other.

use cubecl_cpu::compute::affinity::{get_active_cores, set_for_current};
use std::any::Any;
use std::ffi::c_void;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// The entry of a kernel: the pointers of its buffers, the number of cubes along each axis, the unit's place along each axis, two
/// counters that are 0, and its numbers, all as CubeCL's lowering for processors lays them out.
pub type Entry = unsafe extern "C" fn(*const *mut c_void, u32, u32, u32, u32, u32, u32, *const AtomicU32, *const u64);

/// Memory of a worker for local variables of kernels.
const STACK_BYTES: usize = 16 << 20;
/// How long an idle worker looks for work before it sleeps: to wake it takes longer than most kernels run.
const IDLE: Duration = Duration::from_micros(200);
/// Turns of a loop before a thread that waits lets others run.
const SPINS: u32 = 2000;
/// No number of units is waited for.
const NOBODY: u64 = u64::MAX;

/// One launch, shared by its units.
pub struct Launch {
    entry: Entry,
    cubes: [u32; 3],
    /// Units along each axis.
    units: [u32; 3],
    buffers: Vec<*mut c_void>,
    numbers: Vec<u64>,
    barrier: [AtomicU32; 2],
    /// What must live until the launch is done.
    _kept: Vec<Box<dyn Any + Send>>,
}

// SAFETY: the pointers are to buffers that are kept, and what the units do to them at the same time is the kernel's contract.
unsafe impl Send for Launch {}
// SAFETY: as above.
unsafe impl Sync for Launch {}

impl Launch {
    /// A launch of a kernel.
    ///
    /// # Safety
    /// `buffers` and `numbers` must be what the kernel expects, and `kept` must keep the buffers where they are.
    pub unsafe fn new(
        entry: Entry,
        [cubes, units]: [[u32; 3]; 2],
        buffers: Vec<*mut c_void>,
        numbers: Vec<u64>,
        kept: Vec<Box<dyn Any + Send>>,
    ) -> Launch {
        Launch { entry, cubes, units, buffers, numbers, barrier: Default::default(), _kept: kept }
    }

    fn run(&self, unit: u32) {
        let ([x, y, z], [width, height, _]) = (self.cubes, self.units);
        let (buffers, barrier, numbers) = (self.buffers.as_ptr(), self.barrier.as_ptr(), self.numbers.as_ptr());
        let [unit_x, unit_y, unit_z] = [unit % width, unit / width % height, unit / width / height];
        // SAFETY: promised when the launch was made.
        unsafe { (self.entry)(buffers, x, y, z, unit_x, unit_y, unit_z, barrier, numbers) }
    }
}

/// A unit of a launch, to be run when so many units are done.
struct Task {
    launch: Arc<Launch>,
    unit: u32,
    after: u64,
}

/// What workers and their owner tell each other.
struct Progress {
    /// Units done.
    done: AtomicU64,
    /// The number of units that the owner sleeps for.
    awaited: AtomicU64,
    owner: Mutex<Option<Thread>>,
}

/// The workers, and how many units they were given.
pub struct Workers {
    senders: Vec<Sender<Task>>,
    progress: Arc<Progress>,
    queued: u64,
}

impl Workers {
    /// No workers yet: they begin with the first launch that needs them.
    pub fn new() -> Workers {
        let progress = Progress { done: AtomicU64::new(0), awaited: AtomicU64::new(NOBODY), owner: Mutex::new(None) };
        Workers { senders: Vec::new(), progress: Arc::new(progress), queued: 0 }
    }

    /// Queues a launch.
    pub fn queue(&mut self, launch: Launch) {
        let units = launch.units.iter().product::<u32>();
        while self.senders.len() < units as usize {
            self.senders.push(spawn(self.senders.len(), self.progress.clone()));
        }
        let launch = Arc::new(launch);
        for (unit, sender) in (0..units).zip(&self.senders) {
            let task = Task { launch: launch.clone(), unit, after: self.queued };
            sender.send(task).expect("workers live as long as their owner");
        }
        self.queued += u64::from(units);
    }

    /// Waits until all launches are done.
    pub fn wait(&self) {
        let (progress, target) = (&self.progress, self.queued);
        let is_done = || progress.done.load(Ordering::SeqCst) >= target;
        for _ in 0..SPINS {
            if is_done() {
                return;
            }
            spin_loop();
        }
        *progress.owner.lock().expect("no worker panics with it") = Some(thread::current());
        progress.awaited.store(target, Ordering::SeqCst);
        while !is_done() {
            thread::park();
        }
        progress.awaited.store(NOBODY, Ordering::SeqCst);
    }
}

impl Progress {
    /// One more unit is done.
    fn advance(&self) {
        let done = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        if done == self.awaited.load(Ordering::SeqCst)
            && let Some(owner) = self.owner.lock().expect("nobody panics with it").as_ref()
        {
            owner.unpark();
        }
    }
}

fn spawn(index: usize, progress: Arc<Progress>) -> Sender<Task> {
    let (sender, tasks) = channel();
    let core = get_active_cores().collect::<Vec<_>>();
    let core = core[index % core.len()];
    let work = move || {
        set_for_current(core);
        while let Some(task) = next(&tasks) {
            run(task, &progress);
        }
    };
    let thread = thread::Builder::new().name(format!("kernels-{index}")).stack_size(STACK_BYTES);
    thread.spawn(work).expect("the system can start a thread for each core");
    sender
}

fn run(Task { launch, unit, after }: Task, progress: &Progress) {
    let mut spins = 0;
    while progress.done.load(Ordering::SeqCst) < after {
        spins += 1;
        if spins < SPINS { spin_loop() } else { thread::yield_now() }
    }
    launch.run(unit);
    // What the launch kept is free again before anybody is told that it is done.
    drop(launch);
    progress.advance();
}

/// The next task; none if there will be no more.
fn next(tasks: &Receiver<Task>) -> Option<Task> {
    let since = Instant::now();
    while since.elapsed() < IDLE {
        if let Ok(task) = tasks.try_recv() {
            return Some(task);
        }
        thread::yield_now();
    }
    tasks.recv().ok()
}
