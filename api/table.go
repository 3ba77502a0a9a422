package api

import (
	"container/list"
	"sync"
)

// table is a map with a limit: when it is full, the entry that was used
// longest ago makes room. It is safe for use by many goroutines.
type table[V any] struct {
	limit int

	mu    sync.Mutex
	keys  map[string]*list.Element
	order *list.List // of *entry[V], the latest used in front
}

type entry[V any] struct {
	key   string
	value V
}

func newTable[V any](limit int) *table[V] {
	return &table[V]{limit: limit, keys: map[string]*list.Element{}, order: list.New()}
}

// get gives the value of key, made by fresh if there is none.
func (t *table[V]) get(key string, fresh func() V) V {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.keys[key]; ok {
		t.order.MoveToFront(e)
		return valueOf[V](e)
	}
	if t.order.Len() >= t.limit {
		oldest := t.order.Back()
		delete(t.keys, keyOf[V](oldest))
		t.order.Remove(oldest)
	}
	v := fresh()
	t.keys[key] = t.order.PushFront(entry[V]{key, v})
	return v
}

// find gives the value of key, if there is one.
func (t *table[V]) find(key string) (V, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.keys[key]
	if !ok {
		var none V
		return none, false
	}
	t.order.MoveToFront(e)
	return valueOf[V](e), true
}

// keysWhere lists the keys of the values that match.
func (t *table[V]) keysWhere(match func(V) bool) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var keys []string
	for key, e := range t.keys {
		if match(valueOf[V](e)) {
			keys = append(keys, key)
		}
	}
	return keys
}

// values lists the values.
func (t *table[V]) values() []V {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]V, 0, len(t.keys))
	for _, e := range t.keys {
		all = append(all, valueOf[V](e))
	}
	return all
}

// remove takes out key, if it is there.
func (t *table[V]) remove(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.keys[key]; ok {
		delete(t.keys, key)
		t.order.Remove(e)
	}
}

func valueOf[V any](e *list.Element) V {
	v, _ := e.Value.(entry[V])
	return v.value
}

func keyOf[V any](e *list.Element) string {
	v, _ := e.Value.(entry[V])
	return v.key
}
