.PHONY: run test soak bench lint

run: ## build and start on the embedded defaults, in ./data
	go run ./cmd/reelvault serve

test: ## install what the tests need, and run them all
	testmedia/check

soak: ## the long versions: 200 kills, store outages of a minute
	testmedia/check soak

bench: ## figures for BENCHMARKS.md
	testmedia/check bench

lint: ## vet, golangci-lint, tidy
	testmedia/check lint
