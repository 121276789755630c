// The life of some contacts, over the AWS SDK for JavaScript: node javascript_sdk.cjs ENDPOINT REGION INSTANCE FLOW QUEUE
"use strict";

const assert = require("node:assert/strict");
const connect = require("@aws-sdk/client-connect");

const [endpoint, region, InstanceId, ContactFlowId, QueueId] = process.argv.slice(2);
const client = new connect.ConnectClient({
  endpoint,
  region,
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
  maxAttempts: 1,
});
const call = (operation, input) => client.send(new connect[`${operation}Command`]({ InstanceId, ...input }));
const ids = (answer) => answer.Contacts.map((contact) => contact.Id);

async function main() {
  const { Instance } = await call("DescribeInstance", {});
  assert.equal(Instance.Id, InstanceId);

  const request = {
    Channel: "TASK",
    InitiationMethod: "API",
    ClientToken: "javascript-1",
    Name: "Zoë’s order",
    Attributes: { city: "Zürich" },
    References: { order: { Value: "https://example.com/1", Type: "URL" } },
    SegmentAttributes: { plan: { ValueString: "gold" } },
  };
  const { ContactId } = await call("CreateContact", request);
  assert.equal((await call("CreateContact", request)).ContactId, ContactId);
  await assert.rejects(call("CreateContact", { ...request, Name: "Another" }), connect.IdempotencyException);

  const { Contact } = await call("DescribeContact", { ContactId });
  assert.equal(Contact.Name, request.Name);
  assert.ok(Contact.InitiationTimestamp instanceof Date);
  assert.equal(Contact.DisconnectTimestamp, undefined);

  await call("TagContact", { ContactId, Tags: { team: "billing", urgent: "yes" } });
  await call("UntagContact", { ContactId, TagKeys: ["urgent"] });
  await call("UpdateContactAttributes", { InitialContactId: ContactId, Attributes: { decision: "approve" } });
  const { Attributes } = await call("GetContactAttributes", { InitialContactId: ContactId });
  assert.deepEqual(Attributes, { city: "Zürich", decision: "approve" });

  // JavaScript's dates have milliseconds, and so has the time at which the contact was made.
  const instant = { StartTime: Contact.InitiationTimestamp, EndTime: Contact.InitiationTimestamp };
  const TimeRange = { Type: "INITIATION_TIMESTAMP", ...instant };
  const search = (SearchCriteria) => call("SearchContacts", { TimeRange, SearchCriteria });
  const tag = (TagValue) => ({ ContactTags: { TagCondition: { TagKey: "team", TagValue } } });
  const plan = (value) => ({ SearchableSegmentAttributes: { Criteria: [{ Key: "plan", Values: [value] }] } });
  const found = await search({});
  assert.deepEqual(ids(found), [ContactId]);
  assert.deepEqual(found.Contacts[0].Tags, { team: "billing" });
  assert.deepEqual(ids(await search({ ...tag("billing"), ...plan("gold") })), [ContactId]);
  assert.deepEqual(ids(await search(tag("tasks"))), []);
  assert.deepEqual(ids(await search(plan("silver"))), []);

  const transferred = await call("TransferContact", { ContactId, ContactFlowId, QueueId });
  const { ContactSummaryList } = await call("ListAssociatedContacts", { ContactId });
  assert.deepEqual(
    ContactSummaryList.map((contact) => [contact.ContactId, contact.PreviousContactId]),
    [[ContactId, undefined], [transferred.ContactId, ContactId]],
  );

  await call("StopContact", { ContactId: transferred.ContactId });
  const stopped = await call("DescribeContact", { ContactId: transferred.ContactId });
  assert.ok(stopped.Contact.DisconnectTimestamp instanceof Date);
  await assert.rejects(call("StopContact", { ContactId: transferred.ContactId }), connect.ContactNotFoundException);
  await assert.rejects(call("DescribeContact", { ContactId: "none" }), connect.ResourceNotFoundException);
  console.log(JSON.stringify([ContactId, transferred.ContactId]));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
