package world

import "time"

// The files of a machine. Writes to one file are done in order; those to different files are not.
const (
	logFile = iota
	stateFile
	workFile
	files
)

// disk takes writes and makes them durable after a while.
type disk struct {
	w     *World
	hung  bool // nothing gets done till it is mended
	full  bool // writes that need space fail
	slow  time.Duration
	queue [files][]write
	stuck [files]bool
	life  int
}

// write is one that is under way. Apply changes what the disk holds; done tells the writer.
type write struct {
	grows bool // needs space
	apply func()
	done  func(ok bool)
}

func (d *disk) submit(file int, w write) {
	d.queue[file] = append(d.queue[file], w)
	if len(d.queue[file]) == 1 {
		d.start(file)
	}
}

func (d *disk) start(file int) {
	life := d.life
	wait := 300*time.Microsecond + time.Duration(d.w.rng.Int64N(int64(3*time.Millisecond)))
	if d.slow > 0 {
		wait += time.Duration(d.w.rng.Int64N(int64(d.slow)))
	}
	d.w.after(wait, func() {
		if d.life == life {
			d.finish(file)
		}
	})
}

func (d *disk) finish(file int) {
	if d.hung {
		d.stuck[file] = true
		return
	}
	w := d.queue[file][0]
	d.queue[file] = d.queue[file][1:]
	ok := !d.full || !w.grows
	if ok && w.apply != nil {
		w.apply()
	}
	if len(d.queue[file]) > 0 {
		d.start(file)
	}
	if w.done != nil {
		w.done(ok)
	}
}

// fill has writes that need space fail from now on, those that hang as well.
func (d *disk) fill() {
	d.full = true
	d.wake()
}

// mend ends all that is wrong with the disk.
func (d *disk) mend() {
	d.full, d.slow = false, 0
	d.wake()
}

// wake has a hung disk go on.
func (d *disk) wake() {
	d.hung = false
	for f := range d.queue {
		if d.stuck[f] {
			d.stuck[f] = false
			d.start(f)
		}
	}
}

// crash keeps, of the writes under way, the first few of each file.
func (d *disk) crash() {
	d.life++
	for f, queue := range d.queue {
		kept := d.w.rng.IntN(len(queue) + 1)
		if d.w.loseAll || d.hung {
			kept = 0
		}
		for _, w := range queue[:kept] {
			if w.apply != nil && !(d.full && w.grows) {
				w.apply()
			}
		}
		d.queue[f], d.stuck[f] = nil, false
	}
}
