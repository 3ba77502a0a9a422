// Package storagetest holds what every store must do: one suite for object
// stores and one for catalogs. It also starts the real servers that the suites
// and others' tests run against, and a proxy that breaks the road to them.
//
// A server that is not installed fails the test that wants it, and says how to
// install it: a suite that is skipped proves nothing.
package storagetest
