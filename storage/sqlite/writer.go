package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// maxBatch bounds how many writes share a commit, so that the first of them
// doesn't wait for a crowd. At 64 the sync is a small part of the cost.
const maxBatch = 64

// job is one write on its way through the commit loop.
type job struct {
	ctx  context.Context //nolint:containedctx // the caller's, handed over with the job
	run  func(ctx context.Context, tx *sql.Tx) error
	done chan error // takes one
}

// write runs f in the commit loop and returns when it is durable. If f fails,
// nothing of it is kept. A context that ends before f begins means f doesn't
// run; afterwards f is brought to its end, because SQLite gives up the whole
// transaction, with everybody's writes in it, when a statement is interrupted.
func (c *Catalog) write(ctx context.Context, f func(ctx context.Context, tx *sql.Tx) error) error {
	done, err := c.begin()
	if err != nil {
		return err
	}
	defer done()
	j := &job{ctx: ctx, run: f, done: make(chan error, 1)}
	select {
	case c.jobs <- j:
		return <-j.done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commitLoop commits what arrives until jobs is closed.
func (c *Catalog) commitLoop() {
	defer close(c.stopped)
	for j := range c.jobs {
		c.commit(c.gather(j))
	}
}

// gather takes first and whatever else waits already.
func (c *Catalog) gather(first *job) []*job {
	batch := []*job{first}
	for len(batch) < maxBatch {
		select {
		case j, ok := <-c.jobs:
			if !ok {
				return batch
			}
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch in one transaction and tells each job how it went.
func (c *Catalog) commit(batch []*job) {
	results, err := c.transact(batch)
	for i, j := range batch {
		if err != nil {
			j.done <- err
			continue
		}
		j.done <- results[i]
	}
}

// transact gives each job's own result; its error is everybody's.
func (c *Catalog) transact(batch []*job) ([]error, error) {
	ctx := context.Background()
	tx, err := c.writer.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	results := make([]error, len(batch))
	for i, j := range batch {
		results[i], err = attempt(j, tx)
		if err != nil {
			return nil, errors.Join(err, tx.Rollback())
		}
	}
	return results, tx.Commit()
}

// attempt runs one job in a savepoint. failed means the transaction itself is
// lost.
func attempt(j *job, tx *sql.Tx) (result, failed error) {
	if err := j.ctx.Err(); err != nil {
		return err, nil
	}
	ctx := context.WithoutCancel(j.ctx)
	if _, err := tx.ExecContext(ctx, `SAVEPOINT job`); err != nil {
		return nil, err
	}
	result = j.run(ctx, tx)
	if result != nil {
		if _, err := tx.ExecContext(ctx, `ROLLBACK TO job`); err != nil {
			return nil, errors.Join(result, err)
		}
	}
	_, err := tx.ExecContext(ctx, `RELEASE job`)
	return result, err
}
