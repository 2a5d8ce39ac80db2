from maitred_server.policy.encounters import Encounters as Encounters
