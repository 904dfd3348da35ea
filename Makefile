# What a developer types. Everything is installed from the lock files; nothing else is needed than
# Go, Node and, for the race detector, a C compiler.

# Functions are found where their programs are; the CDK app refuses to go on if one is missing.
FUNCTIONS := $(patsubst lambdas/%/bootstrap,%,$(wildcard lambdas/*/bootstrap))

# The same source gives the same bytes, so that an unchanged function is not deployed again.
BUILD := GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags lambda.norpc -ldflags "-s -w"

# Go turns cgo off by itself where there is no C compiler, and the race detector needs one.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# What runs without the race detector is compiled as the functions are: go vet, the simulation and the
# programs of local/runtimeapi need the same packages, which a new cache then compiles once.
PLAIN := CGO_ENABLED=0 go

# Every folder of ours with Go in it. gofmt would also read the Go templates that the CDK's command
# line brings along in node_modules, which go.mod has the go command ignore.
FOLDERS := cdk docs lambdas local shared static
TESTED := $(patsubst %,./%/...,$(filter-out cdk,$(FOLDERS)))

# Whole sales under a crowd, in the time that they take: they have to keep the set rate, for which the
# race detector leaves no time, and nothing may run beside them.
SURGES := ^TestSurge(WithChaos|IsInterrupted)?$$

JS_TESTS := $(wildcard static/test/*.test.mjs cdk/test/*.test.mjs)

# Hot shows in the program that people start, in the minutes that they take.
FOR_REAL := ^TestHotShowsForReal$$

.PHONY: test check test-go test-surge test-hotshows test-cdk test-js test-page synth build run deploy clean

# CACHE_TESTS=required makes a missing nginx a failure.
# DYNAMODB_ENDPOINT=<address> runs the store's and the schedule's tests against that engine too.
test: check synth test-cdk test-go test-js

check:
	@unformatted="$$(gofmt -l $(FOLDERS))"; test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	go vet ./cdk/...
	$(PLAIN) vet -trimpath $(TESTED)

# Hundreds of simulated sales and hot shows take the race detector minutes, and a hundred show it as much; what one
# goroutine does, it has nothing to say about. The doors of docs/connect-a-shop.md are run too, Node's
# with the library that it uses. On more than one processor go1.26.8 may crash under the race detector in
# a bubble with many timers, which it runs on several threads in the name of one.
test-go: node_modules
	@test -n "$(RACE)" || echo "No C compiler: the tests run without the race detector."
	@$${PYTHON:-python3} -c 'import jwt, cryptography' 2>/dev/null || \
		echo "No PyJWT: the Python door is left out. Install it (pip install 'PyJWT[crypto]') or name a Python that has it in PYTHON."
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx || test -n "$(NGINX_PROGRAM)" || \
		echo "No nginx: the tests of a cache in front of the room are left out. Install it (on Debian: apt-get install nginx) or name its program in NGINX_PROGRAM."
	@command -v curl >/dev/null || echo "No curl: what it signs for the hot shows' API is not tested."
	@test -n "$(DYNAMODB_ENDPOINT)" || echo "No DYNAMODB_ENDPOINT: the store and the schedule are tested against the engines in the process alone."
	@echo "Small surges take a minute of their own: make test-surge. Hot shows for real take four: make test-hotshows."
	$(PLAIN) test -trimpath ./local/simulation ./local/virtual ./shared/room ./lambdas/prepare/simulation
	$(if $(RACE),go test $(RACE) ./local/simulation -run TestSales -seeds 100)
	$(if $(RACE),go test $(RACE) -cpu 1 ./lambdas/prepare/simulation -run 'TestLivesWithoutTrouble|TestFiftyShowsAtOnce$$')
	go test $(RACE) -skip '$(SURGES)|$(FOR_REAL)|^TestShopGetsItsRate$$' $$(go list $(TESTED) | grep -v -e /local/simulation -e /local/virtual -e /prepare/simulation)

test-surge:
	$(PLAIN) test -trimpath ./local -count=1 -run '$(SURGES)'

test-hotshows:
	$(PLAIN) test -trimpath ./local -count=1 -run '$(FOR_REAL)'

# Apart and without the race detector: it would compile the CDK's packages, which take a minute, a
# second time, and a stack is put together by one goroutine.
test-cdk:
	go test ./cdk/...

test-js: node_modules
	node --test $(JS_TESTS)

# The page in a real browser: static/test/browser/playwright.config.js says how to run a part of it. Apart
# from the other tests, since browsers need both processors. BROWSER_TESTS=required makes a missing Chromium
# a failure.
test-page: node_modules
	npx playwright test -c static/test/browser --pass-with-no-tests

synth: node_modules
	npx cdk synth -q

# The zip carries the program's permissions, and Lambda runs it as another user: whatever the builder's
# umask is, everybody may run it.
build:
	@$(foreach name,$(FUNCTIONS),echo "building $(name)" && $(BUILD) -o dist/$(name)/bootstrap ./lambdas/$(name)/bootstrap && chmod 755 dist/$(name)/bootstrap &&) true

run:
	go run ./local $(ARGS)

deploy: node_modules
	npx cdk deploy --all $(ARGS)

# npm writes the inner lock file last, so an install that was broken off is repeated.
node_modules: node_modules/.package-lock.json

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

clean:
	rm -rf dist cdk.out node_modules
