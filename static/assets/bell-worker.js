// Brings the visitor back from a notification of bell.js, whose data is the event's name. It stands
// in no request's way and keeps nothing.

async function show(event) {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const room = windows.find(({ url }) => new URL(url).pathname.split("/")[1] === event);
  return room ? room.focus() : self.clients.openWindow(`/${event}`);
}

self.addEventListener("notificationclick", (click) => {
  click.notification.close();
  click.waitUntil(show(click.notification.data));
});
