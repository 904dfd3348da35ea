// The room of go run ./local as a process, its promoter, and people who are in line before the visitor.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";

// startRoom opens the room with an event named demo. onsale is a time from now such as "-1s", rate is
// visitors a minute.
export async function startRoom({ onsale = "-1s", rate = 1 } = {}) {
  const room = spawn(process.env.ROOM_PROGRAM, [
    "-listen", "127.0.0.1:0", "-aws-listen", "127.0.0.1:0", `-onsale=${onsale}`, "-rate", String(rate),
  ]);
  const ended = new Promise((resolve) => room.once("exit", resolve));
  const log = [];
  room.stderr.on("data", (text) => log.push(text));
  const welcome = await new Promise((resolve, reject) => {
    let text = "";
    room.stdout.on("data", (more) => {
      text += more;
      if (text.includes("Ctrl-C")) resolve(text);
    });
    room.once("exit", () => reject(new Error(`the room did not start: ${log.join("")}`)));
  });
  const address = welcome.match(/open: (http:\S+)\/demo/)[1];
  const parameters = welcome.match(/--endpoint-url (\S+)/)[1];
  return {
    address,
    page: `${address}/demo`,
    log,
    set: (name, value, event = "demo") => put(parameters, `/waiting-room/${event}/${name}`, value),
    status: () => getStatus(address),
    when: (reached, limit) => awaitStatus(address, reached, limit),
    join: (people) => crowd(address, people),
    place: (ticket) => getPlace(address, ticket),
    async stop() {
      room.kill("SIGTERM");
      await ended;
    },
  };
}

// put speaks Parameter Store's protocol, as aws ssm put-parameter does.
async function put(parameters, name, value) {
  const answer = await fetch(parameters, {
    method: "POST",
    headers: { "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonSSM.PutParameter" },
    body: JSON.stringify({ Name: name, Value: String(value), Type: "String", Overwrite: true }),
  });
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${await answer.text()}`);
}

async function getStatus(address) {
  const answer = await fetch(`${address}/status/demo.json`);
  if (answer.status === 404) return null;
  return answer.json();
}

// awaitStatus gives the first status that fits. It is there a moment after the room starts.
async function awaitStatus(address, reached, limit = 20000) {
  const end = Date.now() + limit;
  for (;;) {
    const status = await getStatus(address);
    if (status && reached(status)) return status;
    if (Date.now() > end) throw new Error(`the status stays ${JSON.stringify(status)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function crowd(address, people) {
  for (let i = 0; i < people; i++) {
    const secret = randomBytes(16).toString("base64url");
    const answer = await fetch(`${address}/v1/events/demo/join`, { method: "POST", body: JSON.stringify({ secret }) });
    if (answer.status !== 201) throw new Error(`join: ${answer.status} ${await answer.text()}`);
  }
}

async function getPlace(address, ticket) {
  const answer = await fetch(`${address}/v1/events/demo/place`, { headers: { Authorization: `Bearer ${ticket}` } });
  return answer.json();
}
