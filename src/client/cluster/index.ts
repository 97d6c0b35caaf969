export { openService } from "./broker-service.js";
export { ClusterClient } from "./cluster-client.js";
